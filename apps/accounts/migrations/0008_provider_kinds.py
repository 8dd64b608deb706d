"""New kinds of login providers need no migration: no list of kinds is left in the schema, and no column changes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_plain_names")]

    operations = [
        migrations.AlterField(
            model_name="authprovider", name="kind", field=models.CharField(max_length=16, unique=True)
        ),
        migrations.RemoveConstraint(model_name="identity", name="identity_one_person"),
        migrations.AddConstraint(
            model_name="identity",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind__endswith", "_user")),
                fields=("kind", "external_id"),
                name="identity_one_person",
            ),
        ),
    ]
