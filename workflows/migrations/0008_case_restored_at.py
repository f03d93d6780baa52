from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workflows", "0007_webhook_signals")]

    operations = [
        migrations.AddField(
            model_name="case",
            name="restored_at",
            field=models.DateTimeField(help_text="When they came back from there.", null=True),
        ),
    ]
